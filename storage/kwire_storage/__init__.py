"""One partition's log, and the directories that a node's logs live in. Nothing here waits for a clock or a
task; see ARCHITECTURE.md, "One partition's log".

- The seams: `engine.py` (a log), `compaction.py` (its compaction), `directories/interface.py` (a node's
  directories).
- What may be appended: `validation.py`, `produce_rules.py`, `record_checks.py`.
- What both engines know of a log: `producer_state.py`, `leader_epochs.py`, `transaction_index.py`,
  `timestamps.py`.
- In memory: `memory.py`, `memory_compaction.py`, `memory_dirs.py`; `batch_blocks.py`, `tail.py` hold batches.
- On disk: `segments/` is the engine, `directories/` what its logs live in, `cleaner/` the heavy part of
  compaction, `inspection/` is for people; `checkpoints.py` has the formats of the small files.
- Files: `files.py` has every file call, `open_files.py` bounds how many are open, `deletions.py` what is
  to go; `alike.py`, `folder.py`, `file_system.py`, `write_pressure.py`.
"""
