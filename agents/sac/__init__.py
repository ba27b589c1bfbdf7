"""SAC: an off-policy actor-critic that is paid for its entropy, with discrete and with continuous actions."""
