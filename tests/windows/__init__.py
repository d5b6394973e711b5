"""The judgement of a Windows host, below the collectors."""
