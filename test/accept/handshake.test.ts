import t from 'tap'
import { checkHandshake } from '../../src/accept/handshake.ts'

const FIT = {
  Host: 'a',
  Connection: 'keep-alive, Upgrade',
  Upgrade: 'WebSocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='
}
const raw = (headers: Record<string, string>) => Object.entries(headers).flat()

t.test('a handshake of RFC 6455 passes, however its names and words are written', async t => {
  t.doesNotThrow(() => checkHandshake(raw(FIT)))
  t.doesNotThrow(() => checkHandshake(raw({ ...FIT, 'Content-Length': '0' })))
  t.doesNotThrow(() => checkHandshake(raw(FIT).map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))))
})

t.test('one that lacks something, says it twice, or brings a body does not', async t => {
  for (const name of ['Connection', 'Upgrade', 'Sec-WebSocket-Version', 'Sec-WebSocket-Key']) {
    const rest = raw(Object.fromEntries(Object.entries(FIT).filter(([other]) => other !== name)))
    t.throws(() => checkHandshake(rest), { code: 'TOLLGATE_ACCEPT_HEADERS' }, name)
    const twice = [...raw(FIT), name, FIT[name as keyof typeof FIT]]
    t.throws(() => checkHandshake(twice), { code: 'TOLLGATE_ACCEPT_HEADERS' }, `${name} twice`)
  }
  for (const wrong of [
    { Upgrade: 'h2c' },
    { Upgrade: 'websocket, h2c' },
    { Connection: 'keep-alive' },
    { Connection: 'noupgrade' },
    { 'Sec-WebSocket-Version': '8' },
    { 'Sec-WebSocket-Key': 'short' },
    { 'Content-Length': '1' },
    { 'Transfer-Encoding': 'chunked' }
  ]) {
    t.throws(() => checkHandshake(raw({ ...FIT, ...wrong } as typeof FIT)), JSON.stringify(wrong))
  }
})
