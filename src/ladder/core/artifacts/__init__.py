"""The only readers and writers of the files between stages, one module per kind of artifact. All writes are atomic."""
