from ladder.core import sources

sources.record()
