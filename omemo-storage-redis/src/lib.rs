//! OMEMO state in Redis, single node or Cluster.
