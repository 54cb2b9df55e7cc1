"""Feature levels that are raised and lowered: all of a request, or none of it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.api_error import NO_ERROR, ApiError
from kwire.coordinators.metadata.feature_updates import FeatureUpdate, UpgradeType, update_features
from kwire.coordinators.metadata.features import SUPPORTED, supported_ranges
from kwire.coordinators.metadata.image import ClusterImage, FeatureRange

from .images import after, applied, broker, cluster

UP, SAFE, UNSAFE = UpgradeType.UPGRADE, UpgradeType.SAFE_DOWNGRADE, UpgradeType.UNSAFE_DOWNGRADE


def image(*, broker_features: tuple[FeatureRange, ...] | None = None, **levels: int) -> ClusterImage:
    """A cluster with these levels (`group`, `transaction`, `metadata`) finalised."""
    ranges = supported_ranges() if broker_features is None else broker_features
    records = [m.feature_level_record(f"{name}.version", level) for name, level in levels.items()]
    return after(cluster(broker(1, features=ranges)), records)


def updated(
    before: ClusterImage, *, kind: int = UP, validate_only: bool = False, **levels: int
) -> tuple[ApiError, ClusterImage]:
    updates = {f"{name}.version": FeatureUpdate(level, kind) for name, level in levels.items()}
    outcome = update_features(before, 1, updates, validate_only=validate_only)
    assert isinstance(outcome.response, ApiError)
    return outcome.response, applied(before, outcome)


def test_an_old_cluster_gets_transactions_and_groups_at_once() -> None:
    error, after_it = updated(image(), group=1, transaction=2)
    assert error == NO_ERROR
    assert after_it.features == {"metadata.version": 33, "group.version": 1, "transaction.version": 2}


@pytest.mark.parametrize("kind", [SAFE, UNSAFE])
def test_a_level_is_lowered_by_who_says_so(kind: int) -> None:
    error, after_it = updated(image(transaction=2), kind=kind, transaction=1)
    assert error == NO_ERROR
    assert after_it.features["transaction.version"] == 1
    assert "transaction.version" not in updated(after_it, kind=kind, transaction=0)[1].features


@pytest.mark.parametrize(
    ("finalised", "level", "kind"),
    [
        (2, 1, UP),
        (1, 2, SAFE),
        (1, 2, UNSAFE),
        (2, 3, UP),
        (2, -1, UP),
        (2, -1, SAFE),
        (1, 2, UpgradeType.UNKNOWN),
        (1, 2, 4),
        (1, 2, -1),
        (1, 1, 127),
    ],
)
def test_what_is_refused_changes_nothing_and_is_named(finalised: int, level: int, kind: int) -> None:
    before = image(transaction=finalised, group=0)
    updates = {"group.version": FeatureUpdate(1, UP), "transaction.version": FeatureUpdate(level, kind)}
    outcome = update_features(before, 1, updates, validate_only=False)
    assert isinstance(outcome.response, ApiError)
    error_code, message = outcome.response
    assert error_code is ErrorCode.INVALID_UPDATE_VERSION
    assert message is not None
    assert message.startswith(f"Invalid update version {level} for feature transaction.version. ")
    assert list(outcome.records) == []


@pytest.mark.parametrize("kind", [UP, SAFE])
def test_the_level_that_it_has_is_written_again(kind: int) -> None:
    before = image(group=1)
    outcome = update_features(before, 1, {"group.version": FeatureUpdate(1, kind)}, validate_only=False)
    assert outcome.response == NO_ERROR
    assert list(outcome.records) == [m.feature_level_record("group.version", 1)]


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("name", ["share.version", "", "GROUP.VERSION"])
def test_a_feature_that_kwire_lacks_is_refused_at_every_level(name: str, level: int) -> None:
    outcome = update_features(image(), 1, {name: FeatureUpdate(level, UP)}, validate_only=False)
    assert isinstance(outcome.response, ApiError)
    assert outcome.response.error_code is ErrorCode.INVALID_UPDATE_VERSION
    assert list(outcome.records) == []


def test_a_registered_broker_that_is_too_old_holds_everybody_back() -> None:
    before = image(broker_features=(FeatureRange("transaction.version", 0, 1),))
    error, _ = updated(before, transaction=2)
    assert error.message is not None
    assert error.message.endswith("Broker 1 has levels 0 to 1 only.")
    assert updated(before, transaction=1)[0] == NO_ERROR
    error, _ = updated(before, group=1)
    assert error.message is not None
    assert error.message.endswith("Broker 1 has no such feature.")


@pytest.mark.parametrize(
    ("finalised", "level", "is_taken"),
    [
        (33, 32, False),
        (32, 31, False),
        (31, 30, True),
        (30, 29, False),
        (29, 24, True),
        (23, 22, False),
        (22, 18, True),
        (33, 7, False),
    ],
)
@pytest.mark.parametrize("kind", [SAFE, UNSAFE])
def test_metadata_version_goes_down_as_far_as_its_records_are_the_same(
    finalised: int, level: int, is_taken: bool, kind: int
) -> None:
    error, after_it = updated(image(metadata=finalised), kind=kind, metadata=level)
    assert error.failed is not is_taken
    assert after_it.features["metadata.version"] == (level if is_taken else finalised)


@pytest.mark.parametrize("level", [6, 34, 0])
def test_metadata_version_stays_among_those_that_kwire_opens(level: int) -> None:
    assert updated(image(metadata=20), kind=UP if level > 20 else SAFE, metadata=level)[0].failed


@given(
    st.dictionaries(st.sampled_from([*SUPPORTED, "x"]), st.integers(-2, 35), min_size=1),
    st.integers(-1, 5),
    st.booleans(),
)
@example({"transaction.version": 2}, UP, False)
def test_trying_says_what_doing_would_say(levels: dict[str, int], kind: int, group: bool) -> None:
    before = image(group=int(group), transaction=1)
    updates = {name: FeatureUpdate(level, kind) for name, level in levels.items()}
    done = update_features(before, 1, updates, validate_only=False)
    tried = update_features(before, 1, updates, validate_only=True)
    assert tried.response == done.response
    assert list(tried.records) == []
    if done.response == NO_ERROR:
        finalised = applied(before, done).features
        assert {name: finalised.get(name, 0) for name in levels} == levels
    else:
        assert list(done.records) == []
