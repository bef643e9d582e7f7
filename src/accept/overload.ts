import { totalmem } from 'node:os'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'
import type { OverloadOptions } from './options.ts'

/**
 * What is let in while the gate itself has too much to do.
 *
 * `normal`: everybody. `shed_new`: whose token is remembered. `shed_all`: nobody. What runs goes on in any case.
 */
export type OverloadLevel = 'normal' | 'shed_new' | 'shed_all'

/** How the process is. */
export interface Reading {
  /** Half of all timers since the look before were late by more. */
  readonly delayMs: Ms
  /** Memory in use, as a share of what may be used: 0 to 1. */
  readonly memory: number
}

/** Watches the process that it runs in. */
export interface OverloadGuard {
  readonly level: OverloadLevel
  /** As of the last look. */
  readonly reading: Reading
  /** What the process may use. */
  readonly memoryBytes: Bytes
  /** The listener is told of each change of the level. */
  onLevel(listener: (level: OverloadLevel, reading: Reading) => void): void
  /** Follows a configuration. */
  follow(options: OverloadOptions): void
  /** Starts to look, twice a second or whenever the event loop comes to it. */
  start(): void
  close(): void
}

const TICK_MS: Ms = 50
const LOOK_MS: Ms = 500
/** So many looks in a row must speak for a level before it rises. */
const LOOKS = 3
/** From the least to the most. */
export const LEVELS: readonly OverloadLevel[] = ['normal', 'shed_new', 'shed_all']
/** Who is known is shed at five times the delay at which strangers are. */
const ALL = 5
const MEMORY = { shed_new: 0.85, shed_all: 0.95 } as const
/** A level is left a little below where it is entered, so that it does not come and go. */
const LEAVE = { delay: 0.8, memory: 0.95 } as const
/** Not more often than this is it asked what of the memory in use is alive. */
const COLLECT_EVERY_MS: Ms = 10_000
/** What the process needs besides its heaps: code, stacks, buffers of sockets. */
const BESIDES: Bytes = 64 * 1024 ** 2

/** The level that a reading speaks for, given the one that is in force. */
export function levelOf({ delayMs, memory }: Reading, limitMs: Ms, inForce: OverloadLevel): OverloadLevel {
  const isOver = (level: 'shed_new' | 'shed_all', delay: Ms) => {
    const isIn = LEVELS.indexOf(inForce) >= LEVELS.indexOf(level)
    return delayMs > delay * (isIn ? LEAVE.delay : 1) || memory > MEMORY[level] * (isIn ? LEAVE.memory : 1)
  }
  if (isOver('shed_all', limitMs * ALL)) return 'shed_all'
  return isOver('shed_new', limitMs) ? 'shed_new' : 'normal'
}

/**
 * The level after the last looks. It rises as far as all of them speak for it, because one long collection, or a machine that
 * stood still for a moment, is no overload; it falls with the first that does not.
 * @param looks what each spoke for, the latest last; not empty
 */
export function nextLevel(inForce: OverloadLevel, looks: readonly OverloadLevel[]): OverloadLevel {
  const ranks = looks.map(level => LEVELS.indexOf(level))
  const now = LEVELS.indexOf(inForce)
  const latest = ranks.at(-1) ?? now
  return LEVELS[latest > now ? Math.max(now, Math.min(...ranks)) : latest] ?? 'normal'
}

/**
 * How late timers of `TICK_MS` are, over the time of one look. Half of them count, because a host that stops the process for
 * a second makes one timer late by a second, and the next ones on time: what has come meanwhile is served in a moment.
 */
export class Lateness {
  #tickedAtMs: Ms
  #lookedAtMs: Ms
  #ticks: Ms[] = []

  constructor(nowMs: Ms) {
    this.#tickedAtMs = nowMs
    this.#lookedAtMs = nowMs
  }

  /** A timer has come. @returns the lateness of the time since the look before when that is over, else null */
  tick(nowMs: Ms): Ms | null {
    this.#ticks.push(Math.max(0, nowMs - this.#tickedAtMs - TICK_MS))
    this.#tickedAtMs = nowMs
    // One timer alone says nothing of how long it goes on.
    if (nowMs - this.#lookedAtMs < LOOK_MS || this.#ticks.length < 2) return null
    this.#lookedAtMs = nowMs
    const ticks = this.#ticks.sort((a, b) => a - b)
    this.#ticks = []
    return ticks[Math.floor((ticks.length - 1) / 2)] ?? 0
  }
}

/** What the operator allows, or the container, or what the machine has. */
export function memoryLimit(allowed: Bytes | null, constrained: Bytes, total: Bytes): Bytes {
  if (allowed !== null) return allowed
  return constrained > 0 && constrained < total ? constrained : total
}

/**
 * Makes a guard that looks at nothing yet. Memory is what is alive in the heaps, not the resident set: the allocator keeps
 * pages long after they were needed, and a gate that went by those would never open again. For the same reason garbage is
 * collected before memory counts as short: who lets nobody in makes no garbage, and nothing else would ever collect it.
 */
export function createOverloadGuard(first: OverloadOptions): OverloadGuard {
  const listeners: ((level: OverloadLevel, reading: Reading) => void)[] = []
  let options = first
  let limitBytes = limitOf(first)
  let level: OverloadLevel = 'normal'
  let looks: readonly OverloadLevel[] = Array.from({ length: LOOKS }, () => 'normal')
  let reading: Reading = { delayMs: 0, memory: 0 }
  let clock: NodeJS.Timeout | undefined
  let lateness = new Lateness(performance.now())
  let collect: (() => void) | null = null
  let collectedAtMs: Ms = Number.NEGATIVE_INFINITY

  function memoryNow(nowMs: Ms): number {
    const memory = memoryOf(limitBytes)
    if (memory <= MEMORY.shed_new * LEAVE.memory || nowMs - collectedAtMs < COLLECT_EVERY_MS) return memory
    collect ??= collector()
    collect()
    collectedAtMs = performance.now()
    return memoryOf(limitBytes)
  }

  function tick(): void {
    const nowMs = performance.now()
    const delayMs = lateness.tick(nowMs)
    if (delayMs === null) return
    reading = { delayMs: Math.round(delayMs), memory: memoryNow(nowMs) }
    looks = [...looks.slice(1), levelOf(reading, options.delayMs, level)]
    const next = nextLevel(level, looks)
    if (next === level) return
    level = next
    for (const listener of listeners) listener(level, reading)
  }

  return {
    get level() {
      return level
    },
    get reading() {
      return reading
    },
    get memoryBytes() {
      return limitBytes
    },
    onLevel(listener) {
      listeners.push(listener)
    },
    follow(next) {
      options = next
      limitBytes = limitOf(next)
    },
    start() {
      lateness = new Lateness(performance.now())
      clock ??= setInterval(tick, TICK_MS).unref()
    },
    close() {
      clearInterval(clock)
    }
  }
}

function limitOf({ memoryBytes }: OverloadOptions): Bytes {
  return memoryLimit(memoryBytes, process.constrainedMemory(), totalmem())
}

/** V8's own collector, which is not in the global scope of a program that was started without it. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

function memoryOf(limitBytes: Bytes): number {
  const { used_heap_size, heap_size_limit, total_heap_size, external_memory } = getHeapStatistics()
  return Math.max(used_heap_size / heap_size_limit, (total_heap_size + external_memory + BESIDES) / limitBytes)
}
