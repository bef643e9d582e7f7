import { renameSync, writeFileSync } from 'node:fs'
import { type Agent, request } from 'node:http'
import type { Test } from 'tap'
import { type EngineDouble, startEngine } from './engine.ts'
import { type GateProcess, NEVER_SHEDS, runGate } from './gate-process.ts'
import { makeKey, signWith } from './issuer.ts'
import { freePort } from './ports.ts'

const ISSUER = 'https://idp.example.com'

/** A gate that is a process, its file, and two engines. */
export interface Scene {
  readonly a: EngineDouble
  readonly b: EngineDouble
  readonly dir: string
  readonly file: string
  readonly adminUrl: string
  /** The file, with the pool of the team and whatever else. */
  text(pool: string, more?: string): string
  ask(body?: object): Promise<Response>
  readonly port: number
  /** Of one token, signed once. */
  readonly authorization: string
  /** From which engine an answer came, by the number of requests that each has had. */
  servedBy(): Promise<'a' | 'b'>
}

/** Two engines in two pools; the file says which of them the team has. */
export async function scene(t: Test): Promise<Scene> {
  const [a, b, key] = [await startEngine(t), await startEngine(t), makeKey()]
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = `${dir}/tollgate.yaml`
  const text = (
    pool: string,
    more = ''
  ) => `server: { listen: "127.0.0.1:${port}", drain: { accept: 300ms, timeout: 5s }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: ${dir}/jwks.json, audience: inference }]
pools: { a: { engine: vllm, targets: ["${a.origin}"], models: [m] }, b: { engine: vllm, targets: ["${b.origin}"], models: [m] } }
teams: { team-a: { pool: ${pool} } }
audit: { to: ${dir}/audit.log }
${more}`
  writeFileSync(file, text('a'))
  const authorization = `Bearer ${await signWith(key, { iss: ISSUER })}`
  const ask = async (body: object = {}) =>
    await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [], ...body })
    })
  return {
    a,
    b,
    dir,
    file,
    text,
    ask,
    port,
    authorization,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    async servedBy() {
      const before = (await a.requests()).length
      const answer = await ask()
      await answer.text()
      if (answer.status !== 200) throw new Error(`status ${answer.status}`)
      return (await a.requests()).length > before ? 'a' : 'b'
    }
  }
}

/** Starts the gate and waits until it serves. @param openFiles how many descriptors it may have */
export async function open(t: Test, s: Scene, args: readonly string[] = [], openFiles?: number): Promise<GateProcess> {
  const gate = runGate(t, ['serve', '--config', s.file, ...args], {}, openFiles)
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  return gate
}

/** As editors and ConfigMaps do it: the file is another one at once. */
export function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

/**
 * A call over a connection of its own, made once more when it is reset before a byte of an answer, as every client library
 * does: without `net.ipv4.tcp_migrate_req` the kernel resets what waits at a listener in the moment in which it closes.
 * @returns its status, or what went wrong
 */
export async function fresh(s: Scene): Promise<string> {
  const outcome = await once(s)
  return outcome.includes('ECONNRESET') ? await once(s) : outcome
}

/** The same, made once whatever becomes of it, and over a connection that is there if there is an agent. */
export async function once({ port, authorization }: Scene, agent: Agent | false = false): Promise<string> {
  return await new Promise(resolve => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        path: '/v1/chat/completions',
        method: 'POST',
        agent,
        headers: { authorization, 'content-type': 'application/json' }
      },
      answer => {
        answer.resume()
        answer.once('end', () => resolve(String(answer.statusCode)))
        answer.once('error', err => resolve(String(err)))
      }
    )
    call.once('error', err => resolve(String(err)))
    call.end('{"model":"m","messages":[]}')
  })
}
