import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { rightsLine, startRedisWithRights, WITHOUT_REDIS } from '../helpers/redis.ts'
import { watchStore } from '../helpers/store-watch.ts'

const SRC = new URL('../../src/', import.meta.url)
/** Those of the connection itself, and of the check of what is dropped. */
const CONNECTION = ['asking', 'client|setname', 'cluster|slots', 'eval', 'evalsha', 'info', 'ping', 'select']

t.test('the rights of the README are those of the scripts and of the connection, and no others', async t => {
  const used = new Set(CONNECTION)
  for (const file of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    for (const [, command = ''] of readFileSync(new URL(file, SRC), 'utf8').matchAll(/redis\.p?call\('(\w+)'/g))
      used.add(command.toLowerCase())
  }
  const rights = rightsLine()
    .split(' ')
    .filter(right => right.startsWith('+'))
    .map(right => right.slice(1))
  t.strictSame(rights.toSorted(), [...used].sort())
})

t.test(
  'with these rights nothing of a connection is refused, and other keys are out of reach',
  WITHOUT_REDIS,
  async t => {
    const server = await startRedisWithRights(t)
    const store = watchStore(t, { url: server.url })
    await store.isUp()
    const get = { name: 'get', text: "return redis.call('GET', KEYS[1])" }
    t.equal(await store.connection.run(get, ['tollgate:1:{*}:x'], []), null)
    t.strictSame(store.told, [])
    await t.rejects(store.connection.run(get, ['other'], []), { message: 'the user of the store lacks rights' })
    await t.rejects(store.connection.run({ name: 'flush', text: "return redis.call('FLUSHALL')" }, [], []), {
      message: 'the user of the store lacks rights'
    })
    t.match(store.told, ['warn: the user of the store lacks rights'], 'it is told once')
    t.equal(store.connection.status.state, 'up')
  }
)
