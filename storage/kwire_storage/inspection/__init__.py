"""Looking at a data directory's files, read-only: what they hold (`dump.py`), and whether they fit together
(`directory_check.py`). For people, on a directory that may be damaged, foreign, or in use.

Rules
- Nothing is written, no lock is taken, and nothing is loaded whole that can grow with the data: files are
  read once, from front to back, a megabyte at a time.
- Any bytes give rows or a sentence: `Unreadable` says which file, where and why, and nothing else leaves.
"""
