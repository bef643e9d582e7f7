import { writeFileSync } from 'node:fs'
import { decodeProtectedHeader } from 'jose'
import type { Test } from 'tap'
import { makeApiKey } from '../../src/mint/api-keys.ts'
import { startEngine } from './engine.ts'
import { type GateProcess, NEVER_SHEDS, runGate } from './gate-process.ts'
import { answerAfter } from './gates.ts'
import { freePort } from './ports.ts'

const ISSUER = 'https://gate.example.com'

/** A gate that is a process of its own. */
export interface MintGate {
  readonly process: GateProcess
  readonly file: string
  readonly url: string
  /** A new token of this gate, and the key that signed it. @throws when it gives none */
  token(): Promise<{ readonly token: string; readonly kid: string }>
  /** The status of a call with a token. */
  call(token: string): Promise<number>
  /** Names of the keys that it shows everybody. */
  kids(): Promise<readonly string[]>
}

/** Gates that share a folder of keys, and one that knows their keys by HTTP alone; all of it ends with the test. */
export async function startMintGates(
  t: Test,
  init: { readonly mint: string; readonly keys: string }
): Promise<{ readonly a: MintGate; readonly b: MintGate; readonly far: MintGate; readonly dir: string }> {
  const engine = await startEngine(t)
  await engine.script(answerAfter(0))
  const dir = t.testdir()
  const { id, key, digest } = makeApiKey()
  const entry = `{ digest: "sha256:${digest.toString('hex')}", sub: ci, team: team-a, scopes: [infer:text] }`
  writeFileSync(`${dir}/api-keys.yaml`, `api_keys:\n  ${id}: ${entry}\n`, { mode: 0o600 })

  async function open(name: string, yaml: string): Promise<MintGate> {
    const [port, adminPort] = [await freePort(), await freePort()]
    const file = `${dir}/${name}.yaml`
    writeFileSync(
      file,
      `server: { listen: "127.0.0.1:${port}", drain: { accept: 1ms, timeout: 5s }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
pools: { p: { engine: vllm, targets: ["${engine.origin}"], models: [m] } }
teams: { team-a: { pool: p } }
audit: { to: ${name}.log }
${yaml}
`
    )
    const process = runGate(t, ['serve', '--config', file])
    await process.says('the gate is open')
    const url = `http://127.0.0.1:${port}`
    return {
      process,
      file,
      url,
      async token() {
        const body = new URLSearchParams({ grant_type: 'client_credentials', client_secret: key })
        const answer = await fetch(`${url}/token`, { method: 'POST', body })
        const { access_token: token } = (await answer.json()) as { access_token?: string }
        if (token === undefined) throw new Error(`no token: ${answer.status}`)
        return { token, kid: decodeProtectedHeader(token).kid ?? '' }
      },
      async call(token) {
        const answer = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
        })
        await answer.arrayBuffer()
        return answer.status
      },
      async kids() {
        const { keys } = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] }
        return keys.map(({ kid }) => kid)
      }
    }
  }

  const mint = `mint: { issuer: "${ISSUER}", audience: inference, api_keys: api-keys.yaml, keys: { dir: keys${init.keys} }${init.mint} }`
  const a = await open('a', mint)
  const b = await open('b', mint)
  const far = await open(
    'far',
    `issuers: [{ issuer: "${ISSUER}", jwks_url: "${a.url}/.well-known/jwks.json", audience: inference, refresh: { every: 300ms } }]`
  )
  await far.process.says('keys are in use')
  return { a, b, far, dir }
}
