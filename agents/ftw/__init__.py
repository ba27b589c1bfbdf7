"""FTW: two timescales, internal rewards and auxiliary tasks on IMPALA's learner."""
