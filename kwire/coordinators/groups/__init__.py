"""Group coordination: classic groups and their committed offsets, as pure machines over
`__consumer_offsets`.
"""
