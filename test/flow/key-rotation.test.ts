import t from 'tap'
import { runGate } from '../helpers/gate-process.ts'
import { type MintGate, startMintGates } from '../helpers/mint-gates.ts'
import { until } from '../helpers/stores.ts'

t.test(
  'two rotations under load: no token is refused anywhere, and the old keys go when their time has come',
  async t => {
    const { a, b, far } = await startMintGates(t, { mint: ', ttl: 3s', keys: ', rotate: 2s, wait: 1s, keep: 5s' })
    const kids: string[] = []
    const statuses = new Map<number, number>()
    const gates = [a, b, far]
    let calls = 0

    async function load(signer: MintGate) {
      while (kids.length < 3 || calls < 300) {
        const { token, kid } = await signer.token()
        if (!kids.includes(kid)) kids.push(kid)
        // At once on all of them, and once more when it is remembered.
        for (const gate of [...gates, ...gates]) {
          const status = await gate.call(token)
          calls++
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
        }
      }
    }
    await Promise.all([load(a), load(b)])
    t.strictSame([...statuses.keys()], [200], JSON.stringify([...statuses]))
    const [first = '', second = ''] = kids
    t.equal(new Set(kids).size, kids.length)
    for (const old of [first, second]) {
      for (const gate of [a, b]) await until(async () => !(await gate.kids()).includes(old))
    }
    t.equal((await a.token()).kid.length, 43, 'and it goes on')
    t.comment(`${calls} calls with tokens of ${kids.length} keys`)
  }
)

t.test(
  'a key that has leaked is taken away: remembered tokens die on every gate, and there are tokens all the while',
  async t => {
    const { a, b, far } = await startMintGates(t, { mint: '', keys: '' })
    const { token, kid: leaked } = await a.token()
    const gates = [a, b, far]
    for (const gate of gates) t.equal(await gate.call(token), 200)

    let isDone = false
    const refused: number[] = []
    const load = async (signer: MintGate, other: MintGate) => {
      while (!isDone) {
        const fresh = await signer.token()
        const status = await other.call(fresh.token)
        // Those of the leaked key may be refused as soon as one of the two has seen it go.
        if (fresh.kid !== leaked) refused.push(...(status === 200 ? [] : [status]))
      }
    }
    const running = Promise.all([load(a, b), load(b, a)])
    const command = runGate(t, ['keys', 'retire', leaked, '--now', '--config', a.file])
    t.equal(await command.exit, 0)
    t.match(command.stderr(), /signs at once/)
    for (const gate of gates) await until(async () => (await gate.call(token)) === 401)
    for (const gate of [a, b]) {
      t.notOk((await gate.kids()).includes(leaked))
      const fresh = await gate.token()
      t.not(fresh.kid, leaked)
      for (const other of [a, b]) t.equal(await other.call(fresh.token), 200)
      await until(async () => (await far.call(fresh.token)) === 200)
    }
    isDone = true
    await running
    t.strictSame(refused, [])
    t.match(a.process.stderr(), /a key of the mint was taken away/)
  }
)
