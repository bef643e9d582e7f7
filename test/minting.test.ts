import { chmodSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { DEFAULT_TIMES, ringTimes } from '../src/mint/key-states.ts'
import { openMint } from '../src/minting.ts'

const written: Readonly<Record<string, unknown>>[] = []
const init = {
  nowMs: Date.now,
  log: { info: () => {}, warn: () => {}, error: () => {} },
  run: null,
  write: (record: Readonly<Record<string, unknown>>) => void written.push(record),
  note: () => {}
}

t.test(
  'only what has accounts is served, its key stands in the audit log, and a file that others can read keeps a mint from opening',
  async t => {
    const dir = t.testdir()
    const users = `${dir}/users.yaml`
    writeFileSync(users, 'users: {}\n', { mode: 0o600 })
    const options = {
      issuer: 'https://gate.example.com',
      audience: 'inference',
      keys: { dir: `${dir}/keys`, algorithm: 'ES256' as const, times: ringTimes(DEFAULT_TIMES) },
      ttlMs: 900_000,
      users,
      apiKeys: null
    }
    const mint = openMint(options, init)
    t.strictSame([...mint.plugin.paths], ['/login'])
    t.match(written, [
      { 'event.action': 'mint.key', 'tollgate.key.id': mint.ring.signing.kid, 'tollgate.key.state': 'signing' }
    ])
    mint.close()
    chmodSync(users, 0o644)
    t.throws(() => openMint(options, init), { name: 'AccountsError' })
  }
)
