"""Hunting: many schedules of one scenario, until one goes wrong; that one cut down, kept, told and run again."""
