import { closeSync, constants } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { openOrMake } from '../private-files.ts'
import type { Damage, Place } from '../segments/scan.ts'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'
import { type Batch, COLUMNS, type Column, KEY, type Key, type Quarter, type Sums } from './records.ts'

/** The file beside the segments. It holds nothing that is not in them. */
export const ROLLUP_FILE = 'rollup.sqlite'
/** The sums cannot be read or written. */
export class RollupError extends Error {
  /** There may be none: the folder takes no files. */
  readonly isReadOnly: boolean

  constructor(message: string, cause: unknown) {
    super(message, { cause })
    this.isReadOnly = [8, 14].includes(errcodeOf(cause)) || codeOf(cause) === 'EACCES' || codeOf(cause) === 'EROFS'
  }
}

/** How far a segment has been rolled up. */
export interface Cursor extends Place {
  readonly instance: string
  readonly boot: string
  readonly number: number
  /** Of the last line; null at the beginning. */
  readonly seq: number | null
  /** Nothing more will come. */
  readonly isDone: boolean
}

/**
 * Lines of a segment that are not what was written, or whose numbers make no sense (`senseless`). `unproven`: it is counted;
 * nothing but the check of the line before, which is gone, could say that it is what was written.
 */
export interface RolledDamage {
  /** The first, from 1, and how many. */
  readonly line: number
  readonly lines: number
  readonly kind: Damage['kind'] | 'senseless' | 'unproven'
  /** When the line before was written; null where there is none. */
  readonly quarter: Quarter | null
}

/** The same, and in which segment. */
export interface FoundDamage extends RolledDamage, Pick<Cursor, 'instance' | 'boot' | 'number'> {}

/** What the records of one key have in sum. */
export interface KeySums extends Key {
  readonly sums: Sums<bigint>
}

const VERSION = 1
const BUSY_MS: Ms = 5_000
const CACHE_KIB = 16 * 1024

const INTEGERS = COLUMNS.map(name => `${name} INTEGER NOT NULL`).join(', ')
const SCHEMA = `
CREATE TABLE segments (
  id INTEGER PRIMARY KEY, instance TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL,
  at INTEGER NOT NULL, crc INTEGER NOT NULL, line INTEGER NOT NULL, seq INTEGER, done INTEGER NOT NULL,
  UNIQUE (instance, boot, number)
) STRICT;
CREATE TABLE keys (
  id INTEGER PRIMARY KEY, ${KEY.map(name => `${name} TEXT NOT NULL`).join(', ')}, UNIQUE (${KEY.join(', ')})
) STRICT;
CREATE TABLE recent (
  segment INTEGER NOT NULL, key INTEGER NOT NULL, quarter INTEGER NOT NULL, ${INTEGERS},
  PRIMARY KEY (segment, key, quarter)
) STRICT, WITHOUT ROWID;
CREATE TABLE sums (
  key INTEGER NOT NULL, quarter INTEGER NOT NULL, ${INTEGERS},
  PRIMARY KEY (key, quarter)
) STRICT, WITHOUT ROWID;
CREATE TABLE damages (
  segment INTEGER NOT NULL, line INTEGER NOT NULL, lines INTEGER NOT NULL, kind TEXT NOT NULL, quarter INTEGER,
  PRIMARY KEY (segment, line)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${VERSION};
`

const ADD = `ON CONFLICT DO UPDATE SET ${COLUMNS.map(name => `${name} = ${name} + excluded.${name}`).join(', ')}`
const TOTALS = COLUMNS.map(name => `SUM(s.${name}) AS ${name}`).join(', ')

/**
 * The sums of a ledger, by quarter of an hour and key, and how far each segment is in them.
 *
 * What a segment adds stands apart until the segment is done: when a machine loses its power, and lines that were read are not
 * on its disk after all, that part is taken back and read anew.
 *
 * A rollback journal and not a log beside it, so that gates may share the folder as they share the ledger. Synchronous: for a
 * command, or a thread of its own.
 */
export class Rollup {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  /** Most segments are done, and stay so. */
  readonly #done = new Map<string, Cursor>()

  /** @param file or `:memory:` @throws RollupError */
  constructor(file: string) {
    try {
      // For the gate and its group alone.
      if (file !== ':memory:') closeSync(openOrMake(file, constants.O_RDWR, 0o640))
      this.#database = new DatabaseSync(file, { timeout: BUSY_MS })
    } catch (err) {
      throw new RollupError(`${file} cannot be opened (${reasonOf(err)})`, err)
    }
    try {
      this.#prepare(file)
    } catch (err) {
      this.#database.close()
      if (err instanceof RollupError) throw err
      throw new RollupError(`${file} cannot be used (${reasonOf(err)})`, err)
    }
  }

  #prepare(file: string): void {
    this.#database.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
    this.#transaction('IMMEDIATE', () => {
      const { user_version: version } = this.#one('PRAGMA user_version') as { user_version: number }
      if (version === VERSION) return
      if (version !== 0)
        throw new RollupError(`${file} is of another version of Tollgate; without it, it is made anew`, null)
      this.#database.exec(SCHEMA)
    })
  }

  close(): void {
    this.#database.close()
  }

  /** How far a segment is, or null when nothing of it is here. */
  cursor(at: Pick<Cursor, 'instance' | 'boot' | 'number'>): Cursor | null {
    const { instance, boot, number } = at
    const name = `${instance}-${boot}-${number}`
    const known = this.#done.get(name)
    if (known !== undefined) return known
    const row = this.#segment(at)
    if (row === undefined) return null
    const { at: place, crc, line, seq } = row
    const cursor: Cursor = { instance, boot, number, at: place, crc, line, seq, isDone: row.done !== 0 }
    if (cursor.isDone) this.#done.set(name, cursor)
    return cursor
  }

  /**
   * Adds what was read between two places of a segment, and moves its cursor: both, or neither.
   * @returns false when the segment is not where it should be, because somebody else has gone on: nothing has changed then
   * @throws the error of SQLite
   */
  add(from: Cursor, to: Cursor, batch: Batch, damages: readonly RolledDamage[]): boolean {
    return this.#transaction('IMMEDIATE', () => {
      const before = this.#segment(from)
      if ((before?.at ?? 0) !== from.at || (before?.done ?? 0) !== 0) return false
      const { id } = this.#one(
        `INSERT INTO segments (instance, boot, number, at, crc, line, seq, done) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET at = excluded.at, crc = excluded.crc, line = excluded.line, seq = excluded.seq,
         done = excluded.done RETURNING id`,
        [to.instance, to.boot, to.number, to.at, to.crc, to.line, to.seq, to.isDone ? 1 : 0]
      ) as { id: number }
      const marks = COLUMNS.map(() => '?').join(', ')
      const add = this.#prepared(`INSERT INTO recent VALUES (?, ?, ?, ${marks}) ${ADD}`)
      for (const { key, quarters } of batch) {
        const keyId = this.#keyId(key)
        for (const [quarter, sums] of quarters) add.run(id, keyId, quarter, ...COLUMNS.map(column => sums[column]))
      }
      const damage = this.#prepared('INSERT OR IGNORE INTO damages VALUES (?, ?, ?, ?, ?)')
      for (const { line, lines, kind, quarter } of damages) damage.run(id, line, lines, kind, quarter)
      if (to.isDone) this.#fold(id)
      return true
    })
  }

  /** Takes back what a segment has added. @throws the error of SQLite */
  forget(at: Cursor): void {
    this.#transaction('IMMEDIATE', () => {
      const row = this.#segment(at)
      if (row === undefined || row.done !== 0) return
      this.#prepared('DELETE FROM recent WHERE segment = ?').run(row.id)
      this.#prepared('DELETE FROM damages WHERE segment = ?').run(row.id)
      this.#prepared('DELETE FROM segments WHERE id = ?').run(row.id)
    })
  }

  /** Everything between two quarters, the second left out, by key. @throws the error of SQLite */
  between(from: Quarter, to: Quarter): readonly KeySums[] {
    return this.#sums('', [from, to])
  }

  /** The same for one subject in one team. */
  ofSubject(who: Pick<Key, 'iss' | 'sub' | 'team'>, from: Quarter, to: Quarter): readonly KeySums[] {
    return this.#sums('WHERE k.iss = ? AND k.sub = ? AND k.team = ?', [from, to, who.iss, who.sub, who.team])
  }

  /** What could not be read in a stretch of time, or nobody knows when. @param max so many are returned at most */
  damages(from: Quarter, to: Quarter, max: number): { readonly count: number; readonly first: readonly FoundDamage[] } {
    const where = 'FROM damages d JOIN segments s ON s.id = d.segment WHERE quarter IS NULL OR quarter BETWEEN ? AND ?'
    const { count } = this.#one(`SELECT coalesce(sum(lines), 0) AS count ${where}`, [from, to]) as { count: number }
    const first = this.#prepared(
      `SELECT d.line AS line, lines, kind, quarter, instance, boot, number ${where}
       ORDER BY boot, instance, number, d.line LIMIT ?`
    ).all(from, to, max)
    return { count, first: first as unknown as FoundDamage[] }
  }

  #sums(where: string, values: readonly (string | number)[]): readonly KeySums[] {
    const names = KEY.map(name => `k.${name} AS ${name}`).join(', ')
    const stretch = 's.key = k.id AND s.quarter >= ? AND s.quarter < ?'
    // The keys outside, so that each is one stretch of the table; what is recent is little, and gone through once.
    const halves = [`keys k CROSS JOIN sums s ON ${stretch}`, `recent s CROSS JOIN keys k ON ${stretch}`]
    const byKey = new Map<number, { readonly key: Key; readonly sums: Record<Column, bigint> }>()
    this.#transaction('DEFERRED', () => {
      for (const from of halves) {
        const statement = this.#prepared(`SELECT k.id AS id, ${names}, ${TOTALS} FROM ${from} ${where} GROUP BY k.id`)
        statement.setReadBigInts(true)
        for (const row of statement.all(...values)) {
          const { id, iss, sub, team, model, op, source, ...sums } = row as unknown as SumsRow
          const known = byKey.get(id)
          if (known === undefined) byKey.set(id, { key: { iss, sub, team, model, op, source }, sums })
          else for (const column of COLUMNS) known.sums[column] += sums[column]
        }
      }
    })
    return [...byKey.values()].map(({ key, sums }) => ({ ...key, sums }))
  }

  #fold(id: number): void {
    const columns = COLUMNS.join(', ')
    this.#prepared(
      `INSERT INTO sums SELECT key, quarter, ${columns} FROM recent WHERE segment = ? ORDER BY key, quarter ${ADD}`
    ).run(id)
    this.#prepared('DELETE FROM recent WHERE segment = ?').run(id)
  }

  #keyId(key: Key): number {
    const values = KEY.map(name => key[name])
    const where = KEY.map(name => `${name} = ?`).join(' AND ')
    const find = () => this.#one(`SELECT id FROM keys WHERE ${where}`, values) as { id: number } | undefined
    const known = find()
    if (known !== undefined) return known.id
    const marks = KEY.map(() => '?').join(', ')
    return Number(
      this.#prepared(`INSERT INTO keys (${KEY.join(', ')}) VALUES (${marks})`).run(...values).lastInsertRowid
    )
  }

  #segment({ instance, boot, number }: Pick<Cursor, 'instance' | 'boot' | 'number'>): SegmentRow | undefined {
    const text = 'SELECT id, at, crc, line, seq, done FROM segments WHERE instance = ? AND boot = ? AND number = ?'
    return this.#one(text, [instance, boot, number]) as SegmentRow | undefined
  }

  #one(text: string, values: readonly (string | number | null)[] = []): unknown {
    return this.#prepared(text).get(...values)
  }

  #prepared(text: string): StatementSync {
    const known = this.#statements.get(text) ?? this.#database.prepare(text)
    this.#statements.set(text, known)
    return known
  }

  #transaction<T>(kind: 'IMMEDIATE' | 'DEFERRED', work: () => T): T {
    this.#database.exec(`BEGIN ${kind}`)
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (err) {
      // After some errors SQLite has done so itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw err
    }
  }
}

type SumsRow = Key & { readonly id: number } & Record<Column, bigint>

interface SegmentRow {
  readonly id: number
  readonly at: Bytes
  readonly crc: number
  readonly line: number
  readonly seq: number | null
  readonly done: number
}

function reasonOf(err: unknown): string {
  return codeOf(err) === 'ERR_SQLITE_ERROR' && err instanceof Error ? err.message : (codeOf(err) ?? String(err))
}

function codeOf(err: unknown): string | undefined {
  return err instanceof Error && 'code' in err ? String(err.code) : undefined
}

function errcodeOf(err: unknown): number {
  return err instanceof Error && 'errcode' in err ? Number(err.errcode) & 0xff : 0
}
