"""Object stores, and the storage protocol: paths, schema files, versions, numbers, checkpoint file."""
