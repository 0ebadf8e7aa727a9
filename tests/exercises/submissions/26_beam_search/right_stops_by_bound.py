import heapq
import math


def log_probs_of(row):
    top = max(row)
    log_sum = top + math.log(sum(math.exp(x - top) for x in row))
    return [x - log_sum for x in row]


def beam_search(logits, beam, alpha, limit):
    log_p = [log_probs_of(row) for row in logits]

    def lp(n):
        return math.pow((5 + n) / 6, alpha)

    best_score, best_tokens, places = -math.inf, None, beam
    live = [(0.0, ())]
    for n in range(1, limit + 1):
        every = (
            (log_prob + log_p[tokens[-1] if tokens else 0][b], (*tokens, b))
            for log_prob, tokens in live
            for b in range(len(log_p))
        )
        live = []
        for log_prob, tokens in heapq.nlargest(places, every, key=lambda pair: pair[0]):
            if tokens[-1]:
                live.append((log_prob, tokens))
                continue
            places -= 1
            if log_prob / lp(n) > best_score:
                best_score, best_tokens = log_prob / lp(n), list(tokens[:-1])
        # No live one can do better than its log P now over the largest penalty.
        if not live or best_score >= live[0][0] / lp(limit):
            break
    if best_tokens is None:
        return list(live[0][1]), live[0][0] / lp(limit)
    return best_tokens, best_score
