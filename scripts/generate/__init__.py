"""Generation: prompts through an engine into the part's ledger, and the ledger sealed into one table.

Programs:       slice (one job), preview with preview_measures and preview_page, seal, manifest, compact, progress
The ledger:     ledger (the folder), segment and journal (its files), choose (which row stands for a prompt)
A job:          job, ending (signals, engines that hang), others (jobs on the same prompts), recipe, prompts
What it shows:  status (its status file), monitor with measures and texts (what its texts are like)
Progress:       tally (texts), jobs (speed, problems), progress_view, track
"""
