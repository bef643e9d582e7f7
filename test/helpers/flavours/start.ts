import type { Test } from 'tap'
import { startDouble } from '../double.ts'
import type { FlavourName, FlavourOptions, Head } from './flavour.ts'
import type { Hold } from './generation.ts'

/** A request as the engine heard it. */
export interface Heard extends Head {
  /** As it stood in the request line. */
  readonly url: string
  readonly rawHeaders: readonly string[]
  /** Byte by byte (latin1). */
  readonly body: string
}

/** What an engine tells of itself while it works. */
export type FlavourEvent =
  | { readonly kind: 'request' | 'end' | 'abort' | 'idle' }
  | { readonly kind: 'running'; readonly running: number }

/** An engine process of the test's own that behaves like one of the real ones. */
export interface FlavourDouble {
  readonly name: FlavourName
  readonly origin: string
  /** Everything that came, oldest first. */
  heard(): Promise<readonly Heard[]>
  /** The body of the answer to each of them, as its bytes were written. */
  sent(): Promise<readonly string[]>
  /** What it did, as it was told to, that no caller should be able to have it do. */
  damage(): Promise<readonly string[]>
  /** Calls wait there until `release`. */
  hold(place: Hold): Promise<void>
  release(): Promise<void>
  /** Calls get this answer of `errors.json`; null: their own again. */
  fail(name: string | null): Promise<void>
  /** Whether streams break in the middle. */
  break(isBroken: boolean): Promise<void>
  /** Resolves when so many calls are at work. */
  waitForRunning(count: number): Promise<void>
  /** Resolves at the nth event of a kind, counted from the start. */
  waitFor(kind: 'request' | 'end' | 'abort', count: number): Promise<void>
  /** How many connections it ended because nobody used them. */
  idled(): Promise<number>
  kill(): Promise<void>
}

/** Starts a double of an engine; it ends with the test. */
export async function startFlavour(
  t: Test,
  name: FlavourName,
  { models = ['m'], key = null }: Partial<Omit<FlavourOptions, 'name'>> = {}
): Promise<FlavourDouble> {
  const { origin, ask, until, kill } = await startDouble<FlavourEvent>(t, new URL('main.ts', import.meta.url), {
    FLAVOUR: JSON.stringify({ name, models, key } satisfies FlavourOptions)
  })
  const tell = async (verb: string, argument?: unknown) => {
    await ask(verb, argument)
  }
  return {
    name,
    origin,
    heard: async () => (await ask('heard')) as readonly Heard[],
    sent: async () => (await ask('sent')) as readonly string[],
    damage: async () => (await ask('damage')) as readonly string[],
    hold: place => tell('hold', place),
    release: () => tell('release'),
    fail: error => tell('fail', error),
    break: isBroken => tell('break', isBroken),
    waitForRunning: async count => {
      await until(events => {
        const last = events.findLast(event => event.kind === 'running')
        return (last?.running ?? 0) === count || undefined
      })
    },
    waitFor: async (kind, count) => {
      await until(events => events.filter(event => event.kind === kind)[count - 1])
    },
    idled: () => until(events => events.filter(({ kind }) => kind === 'idle').length),
    kill
  }
}
