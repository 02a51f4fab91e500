"""Infrastructure of jobs: files, logs, reuse, checksums, progress."""
