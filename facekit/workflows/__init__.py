"""Recipe in, result out: the only place that composes the layers below."""
