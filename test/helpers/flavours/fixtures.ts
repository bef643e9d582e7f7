import { existsSync, readFileSync } from 'node:fs'
import type { FlavourName } from './flavour.ts'

const FOLDER = new URL('../../engines/fixtures/', import.meta.url)

/** Every route of an engine (engines.md section 1), written `METHOD /path`; `{name}` is one segment, a `*` at the end the rest. */
export interface Routes {
  /** Operation → its routes. */
  readonly serves: Readonly<Record<string, readonly string[]>>
  /** Health, load, metrics, lists. */
  readonly tells: readonly string[]
  /** What no caller may reach: it ends, changes or describes the engine, or is a second door. */
  readonly harms: readonly string[]
}

/** What an engine obeys (engines.md sections 1.5 and 1.6): the name of a field or a header → what comes of it. */
export interface Obeys {
  readonly fields: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
}

/** An answer as data. */
export interface Said {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; null: no body, or `text`. */
  readonly body: unknown
  readonly text?: string
}

/** What an engine says and does, as data. */
export interface Fixtures {
  readonly routes: Routes
  readonly obeys: Obeys
  readonly errors: Readonly<Record<string, Said>>
  /** The bytes of a reply, with `{{model}}` and `{{id}}` where the engine writes its own; null where it has none. */
  reply(name: string): string | null
}

/** Reads the fixtures of an engine. */
export function fixturesOf(name: FlavourName): Fixtures {
  const path = (file: string) => new URL(`${name}/${file}`, FOLDER)
  const read = (file: string) => JSON.parse(readFileSync(path(file), 'utf8'))
  return {
    routes: read('routes.json'),
    obeys: read('obeys.json'),
    errors: read('errors.json'),
    reply(file) {
      if (!existsSync(path(file))) return null
      const text = readFileSync(path(file), 'utf8')
      return file.endsWith('.json') ? text.trimEnd() : text
    }
  }
}
