import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { freePort, type Peer, type Scene, startGate } from './peers.ts'

/** What is added to a gate that has nothing of what keeps books. */
interface Part {
  readonly yaml?: string
  readonly usage?: 'off'
  readonly without: string
}

const LIMITS = `limits:
  default: { rpm: 100M, tpm: 100M, concurrent: 100K }
  global: { concurrent: 100K }
`
const team = '{ pool: p, limits: { rpm: 100M, tpm: 100M }, budget: { tokens: 100G, per: month } }'
const ledger = (name: string) => `metering: { dir: usage-${name} }\n`
const alerts = 'alerts: { per_user: [{ name: busy, requests_per_minute: 100M, tokens_per_minute: 100M }] }\n'
const BOTH = 'audit,metrics'

/** A gate and one part of it at a time; then all of it. `redis` stands for the URL of the server. */
export const PARTS: Readonly<Record<string, Part>> = {
  nothing: { usage: 'off', without: BOTH },
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

/** Starts a gate for each part; what needs a redis-server is left out where there is none. Prometheus reads each once a second. */
export async function startParts(scene: Scene): Promise<{ gates: Map<string, Peer>; stop(): Promise<void> }> {
  const hasRedis = spawnSync('redis-server', ['--version']).status === 0
  if (!hasRedis) process.stderr.write('redis-server is not installed: its limits are left out\n')
  const redisPort = await freePort()
  const redis = hasRedis
    ? spawn('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', scene.dir], {
        stdio: 'ignore'
      })
    : null
  const gates = new Map<string, Peer>()
  const ports: number[] = []
  for (const [name, { yaml = '', usage, without }] of Object.entries(PARTS)) {
    if (!hasRedis && yaml.includes('redis')) continue
    const metricsPort = await freePort()
    if (!without.includes('metrics')) ports.push(metricsPort)
    gates.set(
      name,
      await startGate(scene, {
        name: name.replaceAll(/\W+/g, '-'),
        team,
        pool: usage === 'off' ? ', usage: off' : '',
        yaml: yaml.replace('"redis"', `"redis://127.0.0.1:${redisPort}"`),
        program: [join(import.meta.dirname, 'gate.ts'), '--without', without, '--metrics-port', String(metricsPort)]
      })
    )
  }
  const scraping = setInterval(() => {
    for (const port of ports) fetch(`http://127.0.0.1:${port}/metrics`).then(answer => answer.text(), nothing)
  }, 1_000)
  return {
    gates,
    async stop() {
      clearInterval(scraping)
      for (const gate of gates.values()) await gate.stop()
      redis?.kill()
    }
  }
}

const nothing = () => {}
