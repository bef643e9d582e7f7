import { closeSync, constants, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Up to where a boot has been shipped. */
export interface Place {
  readonly segment: number
  /** Number of the last line that is done with; -1 before there is one. */
  readonly seq: number
  /** Nothing more will come of this boot. */
  readonly isDone: boolean
}

/** The files of a sink, beside the ledger that they are about. */
export function sinkFiles(dir: string, sink: string): { cursor: string; lock: string; deadLetters: string } {
  const base = join(dir, `export-${sink}`)
  return { cursor: `${base}.cursor.json`, lock: `${base}.lock`, deadLetters: `${base}.dead-letters.jsonl` }
}

/** A cursor cannot be read. */
export class CursorError extends Error {
  constructor(file: string, why: string) {
    super(`${file} cannot be used (${why}). Without it everything is shipped again, which has no second effect by id.`)
  }
}

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants
/** What a kill has left is written over, and no link is followed. */
const NEW = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW

/** Boots that are gone from the folder, and may come back with it. */
const MAX_GONE = 1_000

/** What a sink has taken, on disk. Whoever writes it holds the lock of the sink. */
export class Cursor {
  readonly #file: string
  readonly #places: Map<string, Place>

  private constructor(file: string, places: Map<string, Place>) {
    this.#file = file
    this.#places = places
  }

  /** @throws CursorError when it is there and cannot be read */
  static read(file: string): Cursor {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (err) {
      const code = err instanceof Error && 'code' in err ? String(err.code) : String(err)
      if (code === 'ENOENT') return new Cursor(file, new Map())
      throw new CursorError(file, code)
    }
    return new Cursor(file, placesIn(text, file))
  }

  get places(): ReadonlyMap<string, Place> {
    return this.#places
  }

  /**
   * Moves on, and is on disk when it returns: after a crash it is the one before or this one.
   * @param present the boots of the folder @throws the file system's error
   */
  advance(places: ReadonlyMap<string, Place>, present: ReadonlySet<string>): void {
    for (const [source, place] of places) this.#places.set(source, place)
    const gone = [...this.#places.keys()].filter(source => !present.has(source)).sort(byBoot)
    for (const source of gone.slice(0, -MAX_GONE)) this.#places.delete(source)
    const boots = Object.fromEntries(
      [...this.#places].map(([source, { segment, seq, isDone }]) => [source, [segment, seq, isDone]])
    )
    replaceFile(this.#file, `${JSON.stringify({ v: 1, boots })}\n`)
  }
}

function placesIn(text: string, file: string): Map<string, Place> {
  try {
    const { v, boots } = JSON.parse(text) as { v?: unknown; boots?: Record<string, unknown> }
    if (v !== 1 || typeof boots !== 'object') throw new Error('unknown version')
    return new Map(
      Object.entries(boots).map(([source, place]) => {
        const [segment, seq, isDone] = Array.isArray(place) ? place : []
        if (!Number.isSafeInteger(segment) || !Number.isSafeInteger(seq) || typeof isDone !== 'boolean')
          throw new Error('unknown contents')
        return [source, { segment, seq, isDone }]
      })
    )
  } catch {
    throw new CursorError(file, 'it is not what was written')
  }
}

/** By when they began: `INSTANCE/BOOT`. */
function byBoot(a: string, b: string): number {
  const [bootA, bootB] = [a.slice(-26), b.slice(-26)]
  return bootA < bootB ? -1 : bootA > bootB ? 1 : 0
}

function replaceFile(file: string, text: string): void {
  const next = `${file}.next`
  const fd = openSync(next, NEW, 0o640)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(next, file)
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
