import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { buildApp } from '../../src/app.ts'
import { boundHeapGrowth, neverPretenure } from '../../src/collector.ts'
import { loadConfig } from '../../src/config/load.ts'
import { buildDeps } from '../../src/deps.ts'
import { openLog } from '../../src/log.ts'
import { RUN } from '../helpers/scrape.ts'

/**
 * The gate without what a configuration cannot leave out, to see what that costs: `--without audit,metrics`. The port of
 * `/metrics` comes from `--metrics-port`.
 */
const { values } = parseArgs({
  options: {
    config: { type: 'string', default: '' },
    without: { type: 'string', default: '' },
    'metrics-port': { type: 'string', default: '0' }
  }
})
const without = new Set(values.without.split(','))
const loaded = loadConfig(values.config, process.env)
if (!loaded.ok) throw new Error(loaded.faults.map(({ message }) => message).join('\n'))
neverPretenure()
boundHeapGrowth()
const world = buildDeps(loaded.config, { log: openLog().log })
const nothing = () => {}
const app = await buildApp({
  ...world.app,
  ...(without.has('audit') ? { audit: nothing } : {}),
  ...(without.has('metrics') ? { observe: nothing } : {})
})
world.metrics.watchProcess()
world.start()
const reload = { loadedAtMs: Date.now(), hash: '', last: null, reloads: 0, failures: 0, pendingRestart: [] }
const metrics = createServer((_request, response) => {
  void world.metrics.scrape({ ...RUN, reload }).then(({ text }) => response.end(text))
})
await new Promise<void>(settle => metrics.listen(Number(values['metrics-port']), '127.0.0.1', settle))
// Keys come from a file in a moment; what is asked before that is a 503.
await world.ready()
await app.listen({ host: loaded.config.accept.host, port: loaded.config.accept.port })
process.once('SIGTERM', () => {
  void app
    .close()
    .then(() => world.close())
    .then(() => process.exit(0))
})
