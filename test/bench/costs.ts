import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { freePort } from '../helpers/ports.ts'
import { type Peer, type Scene, startGate } from './peers.ts'

/** What is added to a gate that has nothing of what keeps books. */
interface Part {
  readonly yaml?: string
  readonly usage?: 'off'
  readonly without: string
}

/** The gate that the others are compared with. */
export const NOTHING = 'nothing'

const LIMITS = `limits:
  default: { rpm: 100M, tpm: 100M, concurrent: 100K }
  global: { concurrent: 100K }
`
const team = '{ pool: p, limits: { rpm: 100M, tpm: 100M }, budget: { tokens: 100G, per: month } }'
const ledger = (name: string) => `metering: { dir: usage-${name} }\n`
const alerts = 'alerts: { per_user: [{ name: busy, requests_per_minute: 100M, tokens_per_minute: 100M }] }\n'
const BOTH = 'audit,metrics'

/** A gate without any of it, then with one part of it at a time, then with all. `redis` stands for the URL of the server. */
const PARTS: Readonly<Record<string, Part>> = {
  [NOTHING]: { usage: 'off', without: BOTH },
  usage: { without: BOTH },
  audit: { usage: 'off', without: 'metrics' },
  metrics: { usage: 'off', without: 'audit', yaml: alerts },
  limits: { usage: 'off', without: BOTH, yaml: LIMITS },
  'limits in redis': { usage: 'off', without: BOTH, yaml: `${LIMITS}store: { url: "redis" }\n` },
  ledger: { usage: 'off', without: BOTH, yaml: ledger('ledger') },
  everything: { without: '', yaml: `${LIMITS}${alerts}${ledger('everything')}` },
  'everything, redis': {
    without: '',
    yaml: `${LIMITS}${alerts}${ledger('redis')}store: { url: "redis" }\n`
  }
}

/** Where gates are started that differ by a part. */
export interface Costs {
  /** Those that can be tried here. */
  readonly parts: readonly string[]
  /** Prometheus reads `/metrics` of one that counts once a second. */
  start(part: string): Promise<Peer>
  stop(): void
}

/** Prepares what the parts need; what needs a redis-server is left out where there is none. */
export async function prepareCosts(scene: Scene): Promise<Costs> {
  const hasRedis = spawnSync('redis-server', ['--version']).status === 0
  if (!hasRedis) process.stderr.write('redis-server is not installed: limits in it are left out\n')
  const redisPort = await freePort()
  const redis = hasRedis
    ? spawn('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', scene.dir], {
        stdio: 'ignore'
      })
    : null
  const url = `"redis://127.0.0.1:${redisPort}"`
  return {
    parts: Object.keys(PARTS).filter(part => hasRedis || !PARTS[part]?.yaml?.includes('"redis"')),
    async start(part) {
      const { yaml = '', usage, without } = PARTS[part] ?? { without: '' }
      const metricsPort = await freePort()
      const gate = await startGate(scene, {
        name: part.replaceAll(/\W+/g, '-'),
        team,
        pool: usage === 'off' ? ', usage: off' : '',
        yaml: yaml.replace('"redis"', url),
        program: [join(import.meta.dirname, 'gate.ts'), '--without', without, '--metrics-port', String(metricsPort)]
      })
      if (without.includes('metrics')) return gate
      const scraping = setInterval(() => {
        fetch(`http://127.0.0.1:${metricsPort}/metrics`).then(answer => answer.text(), nothing)
      }, 1_000)
      return {
        ...gate,
        stop() {
          clearInterval(scraping)
          return gate.stop()
        }
      }
    },
    stop: () => void redis?.kill()
  }
}

const nothing = () => {}
