/** The running gate that a command is about. */
export interface RunningGate {
  /** Its second listener. */
  readonly url: string
  /** Its `admin.token`, or null. */
  readonly token: string | null
}

/** What the second listener has answered. */
export interface AdminAnswer {
  readonly status: number
  /** Null for an answer that is no JSON. */
  readonly body: unknown
}

const TIMEOUT_MS = 5_000

/**
 * Asks the second listener of a running gate.
 * @throws Error with a sentence for the person at the terminal: the gate does not answer, or wants its token
 */
export async function askGate(
  { url, token }: RunningGate,
  path: string,
  { method = 'GET', body }: { readonly method?: 'GET' | 'POST' | 'DELETE'; readonly body?: object } = {}
): Promise<AdminAnswer> {
  const answer = await fetch(new URL(path, url), {
    method,
    redirect: 'error',
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS)
  }).catch((err: unknown) => {
    const cause = err instanceof Error && err.cause instanceof Error ? err.cause.message : String(err)
    throw new Error(`the running gate does not answer (${cause}); give its second listener with --url`)
  })
  if (answer.status === 401 || answer.status === 403) {
    throw new Error('the gate wants its admin.token, as TOLLGATE_ADMIN_TOKEN')
  }
  return { status: answer.status, body: await answer.json().catch(() => null) }
}
