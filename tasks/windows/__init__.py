"""How a Windows host's facts are judged; the collectors hand over to these rooms. Pure: facts in, reasons out."""
