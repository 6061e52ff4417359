import { assert, describe, it } from "@effect/vitest"
import { HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import { Schema } from "effect"
import { BETWEEN_MILLIS, EventSchedule, type Standing, TOGETHER_MILLIS } from "../src/http/EventSchedule.ts"
import { runs } from "./rig/runs.ts"

const Step = Schema.Union([
  Schema.TaggedStruct("Open", {}),
  Schema.TaggedStruct("Change", {}),
  // Of the streams that are there, by a number that is taken modulo theirs.
  Schema.TaggedStruct("Close", { which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })) }),
  Schema.TaggedStruct("Pass", { millis: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20_000 })) }),
  Schema.TaggedStruct("Pass", { millis: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 })) })
])

/** A stream, and what was said in it: when, and which generation; a heartbeat is -1. */
interface Said {
  readonly stream: Standing
  readonly at: Array<readonly [time: number, generation: number]>
}

/** A house that does what the server does with a schedule: a stream is always ready to be written. */
const house = () => {
  const schedule = new EventSchedule()
  const all = new Set<Said>()
  let now = 0
  let generation = 0
  schedule.announce(generation)
  const looks = ({ at, stream }: Said) => () => {
    for (;;) {
      const turn = schedule.turn(stream, now)
      if (turn === "event") at.push([now, schedule.told(stream, now)])
      else if (turn === "heartbeat") {
        schedule.beaten(stream, now)
        at.push([now, -1])
      } else return
    }
  }
  return {
    all,
    newest: () => generation,
    now: () => now,
    open: () => {
      const said: Said = { stream: schedule.open(now), at: [] }
      all.add(said)
      said.stream.wake = looks(said)
      said.stream.wake()
    },
    close: (said: Said) => {
      schedule.close(said.stream)
      all.delete(said)
    },
    change: () => {
      generation += 1
      schedule.announce(generation)
    },
    /** Lets time pass, and wakes only when the schedule asked for it. */
    pass: (millis: number) => {
      const until = now + millis
      for (;;) {
        const next = schedule.next()
        if (next === undefined || next > until) break
        now = Math.max(now, next)
        schedule.wake(now)
      }
      now = until
    }
  }
}

describe("the schedule of streams", () => {
  it.prop(
    "has each tell the newest generation as soon as it may, and beat in time, whatever comes and goes",
    [Schema.Array(Step).check(Schema.isMaxLength(80))],
    ([steps]) => {
      const { all, change, close, newest, now, open, pass } = house()
      const opened = new Map<Said, number>()
      for (const step of steps) {
        if (step._tag === "Open") open()
        if (step._tag === "Change") change()
        if (step._tag === "Pass") pass(step.millis)
        const streams = [...all]
        const closing = step._tag === "Close" ? streams[step.which % streams.length] : undefined
        if (closing !== undefined) close(closing)
        for (const said of all) {
          if (!opened.has(said)) opened.set(said, now())
          const { at, stream } = said
          assert.isTrue(
            stream.told === newest() || stream.quietUntil > now(),
            "who is behind was told something a moment ago"
          )
          const events = at.filter(([, generation]) => generation >= 0)
          for (const [index, [time, generation]] of events.entries()) {
            const [before, older] = events[index - 1] ?? [-Infinity, -1]
            assert.isAtLeast(time - before, BETWEEN_MILLIS)
            assert.isAbove(generation, older)
          }
          const beats = [opened.get(said) ?? 0, ...at.flatMap(([time, generation]) => generation < 0 ? [time] : [])]
          for (const [index, time] of [...beats, now()].entries()) {
            const before = beats[index - 1]
            if (before === undefined) continue
            assert.isAtMost(time - before, HEARTBEAT_MILLIS)
            if (index < beats.length) assert.isAtLeast(time - before, HEARTBEAT_MILLIS - TOGETHER_MILLIS)
          }
        }
      }
    },
    runs(200)
  )

  it("asks for nothing where nobody listens, and wakes who ended at once", () => {
    const schedule = new EventSchedule()
    assert.isUndefined(schedule.next())
    const stream = schedule.open(1000)
    let woken = 0
    stream.wake = () => (woken += 1)
    schedule.end(stream)
    assert.deepStrictEqual([woken, schedule.turn(stream, 1000)], [1, "end"])
    schedule.close(stream)
    assert.isUndefined(schedule.next())
  })
})
