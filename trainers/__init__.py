"""Everything that one trial needs: networks, their cost, data, and the training loop. Knows no Ray or MLflow."""
