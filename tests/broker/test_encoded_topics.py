"""Rows that are kept: for the very topic that they were made from, and no more than there is room for."""

from uuid import UUID

from kwire_codecs.wire import Encoded

from kwire.broker.encoded_topics import MOST_VIEWS, ROW_OVERHEAD_BYTES, EncodedTopics
from kwire.coordinators.metadata.image import TopicImage


def topic(name: str) -> TopicImage:
    return TopicImage(name, UUID(int=9))


def test_a_row_counts_for_the_image_that_it_was_made_from_and_no_equal_one() -> None:
    view = EncodedTopics().view("a view")
    before, after = topic("t"), topic("t")
    assert before == after
    view.keep(before, b"row")
    assert view.row(before) == b"row"
    assert view.row(after) is None


def test_all_topics_count_for_their_mapping() -> None:
    view = EncodedTopics().view("a view")
    before, after = {"t": topic("t")}, {"t": topic("t")}
    rows = Encoded(1, b"row")
    view.keep_all(before, rows)
    assert view.all_of(before) is rows
    assert view.all_of(after) is None


def test_views_know_nothing_of_each_other() -> None:
    topics = EncodedTopics()
    told = topic("t")
    topics.view("one").keep(told, b"row")
    assert topics.view("other").row(told) is None
    assert topics.view("one").row(told) == b"row"


def test_the_view_that_was_not_used_for_longest_goes_first() -> None:
    topics = EncodedTopics()
    told = topic("t")
    for number in range(MOST_VIEWS):
        topics.view(number).keep(told, b"row")
    topics.view(0)
    topics.view("one more")
    assert topics.view(0).row(told) == b"row"
    assert topics.view(1).row(told) is None


def test_what_does_not_fit_is_not_kept() -> None:
    topics = EncodedTopics(most_bytes=3 * (100 + ROW_OVERHEAD_BYTES))
    old, new = topics.view("old"), topics.view("new")
    told = [topic(str(number)) for number in range(5)]
    for each in told:
        old.keep(each, bytes(100))
    assert [old.row(each) is not None for each in told] == [True, True, True, False, False]
    for each in told:
        new.keep(each, bytes(100))
    assert [new.row(each) is not None for each in told] == [True, True, True, False, False]
    assert topics.size == new.size <= 3 * (100 + ROW_OVERHEAD_BYTES)


def test_rows_of_topics_that_are_gone_go_too() -> None:
    view = EncodedTopics().view("a view")
    left = topic("left")
    topics = {"left": left}
    for name in ("left", *map(str, range(200))):
        view.keep(left if name == "left" else topic(name), b"row")
    view.forget_deleted(topics)
    assert view.row(left) == b"row"
    assert view.size == len(b"row") + ROW_OVERHEAD_BYTES
    view.keep(topic("gone"), b"row")
    view.keep_all(topics, Encoded(1, b"row"))
    assert view.size == 2 * len(b"row") + ROW_OVERHEAD_BYTES
