"""The first five minutes of somebody who has never seen Drover, in a real browser on a real platform."""
