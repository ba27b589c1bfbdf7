"""DQN and C51 as TF-Agents has them, acting and learning as agents of the zoo do."""

from agents import legacy_keras

legacy_keras.prefer()
