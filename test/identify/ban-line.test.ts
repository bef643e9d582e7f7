import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import t from 'tap'
import { tellOfBan } from '../../src/identify/ban-line.ts'

const FILTER = readFileSync(new URL('../../config/fail2ban.conf', import.meta.url), 'utf8')

function lineOf(what: 'added' | 'lifted', isDry: boolean, ip: string, isPassedOn = false): string {
  const lines: string[] = []
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write: line => lines.push(line) })
  const ban = { key: `${ip}/k`, ip, reason: 'failures', sinceMs: 0, untilMs: 600_000, times: 2 }
  tellOfBan({ what, ban, isDry, by: null, isPassedOn }, log)
  t.equal(lines.length, 1)
  return lines[0]?.trim() ?? ''
}

/** As fail2ban reads a line: the date is cut out by `datepattern`, then `<ADDR>` stands for an address. */
function addressIn(line: string): string | null {
  const [, pattern = ''] = /^failregex = (.*)$/m.exec(FILTER) ?? []
  const undated = line.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, '')
  return new RegExp(pattern.replace('<ADDR>', '([0-9A-Fa-f.:]+)')).exec(undated)?.[1] ?? null
}

t.test('the filter for fail2ban finds the address of a ban', async t => {
  t.equal(addressIn(lineOf('added', false, '203.0.113.7')), '203.0.113.7')
  t.equal(addressIn(lineOf('added', false, '2001:db8::7')), '2001:db8::7')
})

t.test('and none in what is lifted, or only tried out', async t => {
  t.equal(addressIn(lineOf('lifted', false, '203.0.113.7')), null)
  t.equal(addressIn(lineOf('added', true, '203.0.113.7')), null)
})

t.test('an address that passes requests on may be a proxy that nobody has named: the line says what to do', async t => {
  const line = lineOf('added', false, '203.0.113.7', true)
  t.match(JSON.parse(line), { fix: /clients\.trusted_proxies/ })
  t.equal(addressIn(line), '203.0.113.7')
  t.notMatch(lineOf('added', false, '203.0.113.7'), /fix/)
})
