"""C4.14-mutex-profile-rehash: the mutex profile shows locks of a map's rehash."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def mutex_profile_rehash() -> Claim:
    return Claim(
        id="C4.14-mutex-profile-rehash",
        title="The mutex profile shows locks of a map's rehash",
        section="4.4, tool table",
        statement=(
            "pprof -mutexprofile captures hot spots of lock contention in runtime.mapassign and mapaccess1 that "
            "come from rehashing hmap.buckets."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Maps take no lock (runtime/map_noswiss.go), so that nothing can be recorded. Profiles of a locked map "
            "show sync.(*RWMutex) and the runtime's own locks."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Mutex profiles at full rate hold no record with a map function (G14).",
        ),
        prediction=(
            "The model's profile of waits holds no place in the map at Go's setting, and growth's lock at the article's."
        ),
        knob="growlock, as in C1.1",
        settings=(Setting("none", go=True), Setting("global while growing", article=True)),
        workload="The model prints where threads waited, with readers beside a growing writer.",
        measured=(Quantity("waits by place", ""),),
        criterion=Criterion(
            text="Refuted by profile: no place of the map in it at Go's setting.",
        ),
    )
