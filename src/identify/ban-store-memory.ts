import { randomBytes } from 'node:crypto'
import type { Ms, NowMs } from '../time.ts'
import {
  type BanChange,
  type BanNews,
  type BanStore,
  type Bookmark,
  KEEP_MS,
  MAX_KEPT,
  MAX_NEWS,
  type SharedBan
} from './ban-store.ts'

interface Entry {
  readonly seq: number
  readonly ban: SharedBan | null
  readonly untilMs: Ms
}

/** What gates of one process tell each other. */
export class MemoryBanStore implements BanStore {
  readonly #nowMs: NowMs
  readonly #maxKept: number
  readonly #epoch = randomBytes(9).toString('base64url')
  readonly #entries = new Map<string, Entry>()
  #seq = 0

  constructor(init: { readonly nowMs: NowMs; readonly maxKept?: number }) {
    this.#nowMs = init.nowMs
    this.#maxKept = init.maxKept ?? MAX_KEPT
  }

  async trade(told: readonly BanChange[], since: Bookmark): Promise<BanNews> {
    const nowMs = this.#nowMs()
    for (const { key, ban } of told) {
      // As the last one.
      this.#entries.delete(key)
      this.#entries.set(key, { seq: ++this.#seq, ban, untilMs: nowMs + (ban?.leftMs ?? 0) })
    }
    this.#forget(nowMs)
    const from = since.epoch === this.#epoch ? since.seq : 0
    const behind = [...this.#entries].filter(([, { seq }]) => seq > from)
    const changes = behind.slice(0, MAX_NEWS)
    const isMore = behind.length > changes.length
    return {
      changes: changes.map(([key, { ban, untilMs }]) => ({
        key,
        ban: ban === null ? null : { ...ban, leftMs: untilMs - nowMs }
      })),
      bookmark: { epoch: this.#epoch, seq: isMore ? (changes.at(-1)?.[1].seq ?? from) : this.#seq },
      isMore
    }
  }

  #forget(nowMs: Ms): void {
    for (const [key, { untilMs }] of this.#entries) if (untilMs <= nowMs - KEEP_MS) this.#entries.delete(key)
    const over = this.#entries.size - this.#maxKept
    if (over <= 0) return
    const byEnd = [...this.#entries].sort(([, a], [, b]) => a.untilMs - b.untilMs)
    for (const [key] of byEnd.slice(0, over)) this.#entries.delete(key)
  }
}
