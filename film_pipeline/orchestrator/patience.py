"""How long a run waits for what, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """news_s: how long a backend is listened to before it is asked again.

    away_s: how long a backend may take no orders before its waiting frames are given up.
    in_hand_s: how long a backend may say nothing at all before what it has in hand is left to the next run.
    in_flight_s: how long an order may be on its way: what a provider does not have after that was never sent.
    goodbye_s: how long orders on their way and pictures on their way home are waited for when the run is stopped.
    fetch_s: how long a finished picture that can't be reached is tried for before it is left to the next run.
    look_s: how often a backend is asked how it is, and rented machines are looked at twice as seldom.
    more_s: how often it is asked what else is wanted.
    rest: the share of the time that backends and breakers ask for that is really waited. Less than 1 only with
    stand-ins, whose clocks run faster than ours.
    """

    news_s: float = 1.0
    away_s: float = 20.0
    in_hand_s: float = 300.0
    in_flight_s: float = 20.0
    goodbye_s: float = 5.0
    fetch_s: float = 120.0
    look_s: float = 2.0
    more_s: float = 0.1
    rest: float = 1.0
