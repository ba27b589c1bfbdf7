"""IMPALA: V-trace actor-critic with a recurrent policy."""
