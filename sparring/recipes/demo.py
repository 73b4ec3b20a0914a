"""The demo: digits, a teacher, and a student three ways; no network, no GPU, about a minute on two cores."""
