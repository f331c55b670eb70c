"""Training with several processes: who starts them, how they speak, and how they end."""
