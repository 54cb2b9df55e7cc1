"""One partition's log, and the directories that a node's logs live in. Nothing here waits for a clock or a
task; see ARCHITECTURE.md, "One partition's log".

- The seams: `engine.py` (a log), `compaction.py` (its compaction), `directories.py` (a node's directories).
- What may be appended: `validation.py`, `produce_rules.py`, `record_checks.py`.
- What both engines know of a log: `producer_state.py`, `leader_epochs.py`, `transaction_index.py`,
  `timestamps.py`.
- In memory: `memory.py`, `memory_compaction.py`, `memory_dirs.py`; `batch_blocks.py`, `tail.py` hold batches.
- On disk: `segments/` is the engine, `cleaner/` the heavy part of compaction, `inspection/` is for people.
- The directories on disk: `log_dirs.py` over `directory_set.py`, `log_directory.py` and
  `partition_directory.py`; `log_moves.py`, `moving.py` and `double_logs.py` for logs that move;
  `log_checkpoints.py`, `offset_checkpoints.py`, `checkpoints.py`, `sealed_flush.py` and `closing.py` for what
  the next start wants to know; `deletions.py` for what is to go.
- Files: `files.py` has every file call, `directory_files.py` watches those of a directory, `open_files.py`
  bounds how many are open; `alike.py`, `folder.py`, `file_system.py`, `write_pressure.py`.
"""
