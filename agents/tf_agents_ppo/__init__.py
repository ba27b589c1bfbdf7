"""PPO as TF-Agents has it, acting and learning as agents of the zoo do."""

from agents import legacy_keras

legacy_keras.prefer()
