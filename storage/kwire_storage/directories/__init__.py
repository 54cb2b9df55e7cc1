"""What a node's logs live in. `interface.py` is what the broker uses, `log_dirs.py` has it on disk.

- One directory: `log_directory.py` (whose it is), `directory_files.py` (whether its disk works),
  `partition_directory.py` (a log's own folder). All of a node: `directory_set.py`.
- The logs: `located.py` (where each lies), `opening.py` (how one is opened), `dormant.py` (those that nobody
  has asked for).
- What the next start wants to know: `log_checkpoints.py` and `offset_checkpoints.py` (written now and then),
  `sealed_flush.py` (synced now and then), `closing.py` (at a stop).
- Logs that move to another directory: `log_moves.py` (those of a node), `moving.py` (one), `copies.py` (what
  it is copied to), `double_logs.py` (what an interrupted one has left).
"""
