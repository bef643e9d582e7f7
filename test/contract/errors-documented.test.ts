import { readFileSync } from 'node:fs'
import t from 'tap'
import { CODES, type Row } from '../../src/codes.ts'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

t.test('the table of the README is the table of the code: every code, its status and its words', async t => {
  const documented = [...README.matchAll(/^\| `(TOLLGATE_[A-Z_]+)` \| (\d{3}) \| (.*?) \|$/gm)]
  const rows = Object.entries(CODES).map(([code, row]) => [code, String(row.status), row.message])
  t.strictSame(
    documented.map(([, code, status, message]) => [code, status, message]),
    rows
  )
})

t.test('an error is told to be tried again only where nothing can have been generated', async t => {
  for (const [code, row] of Object.entries(CODES) as [string, Row][]) {
    if (row.shouldRetry === true)
      t.ok((row.status === 503 || row.status === 429) && row.retryAfterSec !== undefined, code)
    // Both OpenAI libraries try 408 and 409 again by themselves.
    if (row.status === 408 || row.status === 409) t.equal(row.shouldRetry, false, code)
  }
})

t.test('a code is named after the room that throws it', async t => {
  const rooms = [
    'ACCEPT',
    'IDENTIFY',
    'AUTHENTICATE',
    'SUSPECT',
    'INSPECT',
    'AUTHORIZE',
    'LIMIT',
    'ROUTE',
    'SHAPE',
    'FORWARD',
    'METER',
    'CHARGE',
    'BILL',
    'MINT'
  ]
  for (const code of Object.keys(CODES)) {
    if (code === 'TOLLGATE_INTERNAL' || code === 'TOLLGATE_STAGE_ORDER') continue
    t.ok(rooms.includes(code.split('_')[1] ?? ''), code)
  }
})
