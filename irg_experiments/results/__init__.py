"""What remains of a run: records, tables, figures."""
