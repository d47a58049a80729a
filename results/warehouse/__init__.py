"""The same questions over everybody's results: a columnar store, embedded or a cluster, by URL."""
