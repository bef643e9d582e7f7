import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePort } from '../helpers/ports.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const noNpm = spawnSync('npm', ['--version']).error !== undefined && 'npm is not installed'

t.test('SIGTERM to npx drains the gateway, and leaves no process', { skip: noNpm }, async t => {
  const dir = t.testdir()
  const file = `${dir}/tollgate.yaml`
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:${await freePort()}", drain: { accept: 0s } }
admin: { listen: "127.0.0.1:${await freePort()}" }
issuers: [{ issuer: "https://idp.example.com", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["http://127.0.0.1:1"], models: [m] } }
teams: { team-a: { pool: p } }
`
  )
  const child = spawn('npx', ['tollgate', 'serve', '--config', file], {
    cwd: ROOT,
    env: { ...process.env, npm_config_cache: `${dir}/cache`, npm_config_offline: 'true' },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let said = ''
  child.stderr.on('data', text => {
    said += String(text)
    if (said.includes('the gate is open')) child.kill('SIGTERM')
  })
  // Whoever has the pipe keeps it when npm has ended: it closes with the last of them.
  await once(child, 'close')
  t.match(said, 'the gate is closed')
})
