import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { answerAfter, type OneOfGates, openGates } from '../helpers/gates.ts'
import { openRaw } from '../helpers/raw.ts'

/** What the process of a gate takes of memory, in MB. */
const rssMb = ({ process }: OneOfGates) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${process.child.pid}/status`, 'utf8'))?.[1]) / 1e3
const oneByteChunks = (text: string) => [...text].map(byte => `1\r\n${byte}\r\n`).join('')

t.test('bodies in one-byte chunks take memory by their bytes, and are answered when they are whole', async t => {
  const engine = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answerAfter(0).body))
    })
  })
  t.teardown(() => engine.close())
  await new Promise<void>(resolve => engine.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(engine.address() as AddressInfo).port}`
  const [gate] = (await openGates(t, { count: 1, origin, yaml: 'teams: { team-a: { pool: p } }' })) as [OneOfGates]
  t.equal((await gate.chat()).status, 200)
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(8_000) }] })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: ${gate.authorization}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`
  const before = rssMb(gate)
  const callers: Socket[] = []
  for (let i = 0; i < 40; i++) {
    const caller = await openRaw(Number(new URL(gate.url).port))
    caller.write(head + oneByteChunks(body))
    callers.push(caller)
  }
  // Seldom: what a gate does for its metrics it does not do for bodies.
  while (((await gate.metrics()).value('tollgate_body_bytes') ?? 0) < callers.length * body.length) await wait(50)
  const grown = rssMb(gate) - before
  t.ok(grown < 90, `${callers.length * body.length} bytes took ${grown} MB`)
  for (const caller of callers) {
    const answer = new Promise(resolve => caller.once('data', piece => resolve(String(piece).slice(0, 15))))
    caller.write('0\r\n\r\n')
    t.equal(await answer, 'HTTP/1.1 200 OK')
    caller.destroy()
  }
})
