import { gzipSync } from 'node:zlib'
import type { Families } from '../../src/metrics/families.ts'
import { fullFamilies } from '../helpers/full-families.ts'

/**
 * Bytes and milliseconds of a scrape in which every metric has all the series that it may have, with names as long as they
 * may be: of what callers can make, and of all. `npm run bench:metrics`. The event loop stands still for `blocked`.
 */
const ROUNDS = 20

async function scrape(families: Families): Promise<{ bytes: number; ms: number; blockedMs: number; gzip: number }> {
  let blockedMs = 0
  let lastAt = performance.now()
  let isRunning = true
  const watch = () => {
    const now = performance.now()
    blockedMs = Math.max(blockedMs, now - lastAt)
    lastAt = now
    if (isRunning) setImmediate(watch)
  }
  setImmediate(watch)
  await new Promise(resolve => setImmediate(resolve))
  blockedMs = 0
  const began = performance.now()
  const text = await families.text()
  const ms = performance.now() - began
  await new Promise(resolve => setImmediate(resolve))
  isRunning = false
  return { bytes: Buffer.byteLength(text), ms, blockedMs, gzip: gzipSync(text, { level: 1 }).length }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

async function report(what: string, families: Families, lines: number): Promise<void> {
  const rounds = []
  for (let i = 0; i < ROUNDS; i++) rounds.push(await scrape(families))
  const first = rounds[0]
  console.log(
    `${what}: ${lines} lines, ${first?.bytes} bytes (${first?.gzip} gzipped), ${median(rounds.map(({ ms }) => ms)).toFixed(1)} ms, ` +
      `blocked ${median(rounds.map(({ blockedMs }) => blockedMs)).toFixed(1)} ms, first ${first?.ms.toFixed(1)} ms`
  )
}

const all = fullFamilies()
await report(
  'everything full',
  all.families,
  all.filled.reduce((sum, { lines }) => sum + lines, 0)
)
const { families, filled } = fullFamilies()
for (const { name, byCallers } of filled) if (!byCallers) families.of(name).clear()
await report(
  'full of what callers can make',
  families,
  filled.filter(({ byCallers }) => byCallers).reduce((sum, { lines }) => sum + lines, 0)
)
